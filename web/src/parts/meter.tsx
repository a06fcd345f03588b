interface MeterProps {
  /** What is measured: "Files stored". */
  label: string
  value: number
  /** Null: there is no limit. */
  most: number | null
  format: (value: number) => string
}

/** How much there is of how much there may be. */
export function Meter({ label, value, most, format }: MeterProps) {
  return (
    <span class="meter">
      <span class="numeric">
        {format(value)}
        {most !== null && <span class="soft"> of {format(most)}</span>}
      </span>
      {most !== null && (
        <progress class="progress" aria-label={label} value={Math.min(value, most)} max={Math.max(most, 1)} />
      )}
    </span>
  )
}
