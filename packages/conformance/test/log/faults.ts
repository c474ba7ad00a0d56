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
  /** Sends no event that could not be published, such as the dead letter of one that was received. */
  readonly limitsWhatItSends?: boolean;
  /** Has a limit for its records, and no code for the error. */
  readonly hidesItsLimit?: boolean;
  readonly dropsLongKeys?: boolean;
  /** Has one topic for the dead letters and for the copies of those that a redrive has kept. */
  readonly keepsAmongTheDead?: boolean;
  readonly isReadyLate?: boolean;
  readonly forgetsGroups?: boolean;
  readonly hasOnePositionPerGroup?: boolean;
  readonly hasPositionsPerPattern?: boolean;
  readonly forgetsTopicsThatItLeft?: boolean;
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
