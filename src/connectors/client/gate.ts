// Who may be asked, and when: the budget a source is given. What keeps count stands outside, because every worker asks: a
// connector and the fetcher know only this.

/** Says that the request is over. `waitMs`: the host asked us to wait so long; everybody who asks it under this credential does. */
type Leave = (waitMs?: number) => Promise<void>;

export interface Gate {
  /**
   * A permit for one request to a host. A short wait is waited for; a longer one throws a SourceError (quota) with
   * `retryAfterMs`. Throws the signal's reason when it is aborted.
   */
  enter(host: string, signal: AbortSignal): Promise<Leave>;
}
