/**
 * A slow multipart parser to compare with: the whole body as one string, no limits, no reuse of the real one's ideas. It
 * knows the body's structure, and of the headers only the names.
 */
export type NaiveResult =
  | { parts: { head: string; body: string }[] }
  | { refused: 'truncated' | 'delimiter-malformed' | 'bare-line-feed' }

/** Takes the body as one character a byte. */
export function parseNaively(body: string, boundary: string): NaiveResult {
  const text = `\r\n${body}`
  const parts: { head: string; body: string }[] = []
  let at = text.indexOf(`\r\n--${boundary}`)
  if (at < 0) return { refused: 'truncated' }
  at += 4 + boundary.length
  for (;;) {
    if (text.startsWith('--', at)) return { parts }
    if (at === text.length || text.slice(at) === '-') return { refused: 'truncated' }
    while (text[at] === ' ' || text[at] === '\t') at++
    if (at === text.length || text.slice(at) === '\r') return { refused: 'truncated' }
    if (text[at] === '\n') return { refused: 'bare-line-feed' }
    if (!text.startsWith('\r\n', at)) return { refused: 'delimiter-malformed' }
    const blank = text.indexOf('\r\n\r\n', at)
    if (blank < 0) return { refused: 'truncated' }
    const head = text.slice(at + 2, Math.max(blank, at + 2))
    // The blank line's own CRLF may be the one that the next delimiter begins with.
    const end = text.indexOf(`\r\n--${boundary}`, blank + 2)
    if (end < 0) return { refused: 'truncated' }
    parts.push({ head, body: text.slice(blank + 4, Math.max(end, blank + 4)) })
    at = end + 4 + boundary.length
  }
}

/** The plain `name` and `filename` of a header block, read one character at a time; undefined for what it has not. */
export function namesNaively(head: string): { name: string | undefined; filename: string | undefined } {
  const unfolded = head.replace(/\r\n(?=[ \t])/g, '')
  const line = unfolded.split('\r\n').find((each) => each.toLowerCase().startsWith('content-disposition:')) ?? ''
  const found = new Map<string, string>()
  let key = ''
  let value = ''
  let state: 'type' | 'key' | 'start' | 'token' | 'quoted' = 'type'
  const finish = () => {
    found.set(key.trim().toLowerCase(), state === 'quoted' ? value : value.trim())
    key = ''
    value = ''
  }
  for (let at = 0; at < line.length; at++) {
    const character = line[at] as string
    if (state === 'type') {
      if (character === ';') state = 'key'
    } else if (state === 'key') {
      if (character === '=') state = 'start'
      else if (character === ';') key = ''
      else key += character
    } else if (state === 'start') {
      if (character === '"') state = 'quoted'
      else if (character === ';') {
        finish()
        state = 'key'
      } else if (character !== ' ' && character !== '\t') {
        value = character
        state = 'token'
      }
    } else if (state === 'token') {
      if (character === ';') {
        finish()
        state = 'key'
      } else value += character
    } else if (character === '\\' && (line[at + 1] === '\\' || (line[at + 1] === '"' && line.includes('"', at + 2)))) {
      value += line[++at]
    } else if (character === '"') {
      finish()
      state = 'type'
    } else value += character
  }
  if (state === 'token' || state === 'start') finish()
  const decode = (text: string | undefined) =>
    text?.split('%22').join('"').split('%0D').join('\r').split('%0A').join('\n')
  return { name: decode(found.get('name')), filename: decode(found.get('filename')) }
}
