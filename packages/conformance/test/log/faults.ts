/** What can be wrong with the broker, or with the engine's way to it. */
export interface Faults {
  readonly acknowledgesEarly?: boolean;
  readonly losesWhatIsGivenBack?: boolean;
  readonly countsGivingBack?: boolean;
  readonly repeatsBehindWhatIsGivenBack?: boolean;
  readonly dropsWhatFindsNoRoom?: boolean;
  readonly deliversTwice?: boolean;
  readonly handsKeysToAnyMember?: boolean;
  readonly endsOnGarbage?: boolean;
  readonly dropsGarbage?: boolean;
  /** Rejects each event that exceeds the publish limits, such as the dead letter of a received event. */
  readonly limitsWhatItSends?: boolean;
  /** Has a limit for its records, and no code for the error. */
  readonly hidesItsLimit?: boolean;
  readonly dropsLongKeys?: boolean;
  /** Uses the same topic for dead letters and for the copies that a redrive has kept. */
  readonly keepsAmongTheDead?: boolean;
  readonly isReadyLate?: boolean;
  readonly forgetsGroups?: boolean;
  readonly hasOnePositionPerGroup?: boolean;
  readonly hasPositionsPerPattern?: boolean;
  readonly forgetsTopicsThatItLeft?: boolean;
  readonly keepsWhatIsGivenBackForItsPattern?: boolean;
  readonly missesTopicsThatAreNew?: boolean;
  readonly takesEarlyDatesForLatest?: boolean;
  readonly runsNoFullReceiver?: boolean;
  readonly forgetsAttempts?: boolean;
  readonly countsLeftLoops?: boolean;
  readonly losesSubscriptionsAtRestart?: boolean;
  readonly acceptsBeforeItIsWritten?: boolean;
  readonly losesWhatIsSentInOutage?: boolean;
  readonly hangsInOutage?: boolean;
  readonly closesOnlyWhileUp?: boolean;
  readonly goesOnAfterAGap?: boolean;
}
