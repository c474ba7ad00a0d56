const [none, leaderNotAvailable] = [0, 5];

/** True if a topic with this error code in an answer about topics exists: it may be without a leader. */
export function topicExists(errorCode: number): boolean {
  return errorCode === none || errorCode === leaderNotAvailable;
}
