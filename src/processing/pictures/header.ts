/** What a format's own reader finds. Width and height are in pixels, as they are stored. */
export interface ImageHeader {
  format: string
  width: number
  height: number
  /** As EXIF numbers it, 1 to 8. */
  orientation?: number | undefined
  /** How many frames it has; null when there is more than one and nobody says how many. */
  frames?: number | null
}
