/** How long something plays. */
export interface Duration {
  seconds: number
  /** Whether nobody counted, and it was computed from one bit rate. */
  isEstimated?: boolean
}
