const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const short = new Intl.DateTimeFormat(undefined, {
  ...{ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
})

/** A time that the server wrote (ISO 8601), in the reader's own way and zone; the whole of it on pointing. */
export function Time({ at, whole = false }: { at: string; whole?: boolean }) {
  const date = new Date(at)
  return (
    <time dateTime={at} title={full.format(date)}>
      {(whole ? full : short).format(date)}
    </time>
  )
}
