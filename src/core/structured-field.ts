/** What may stand between the value of an item and the end of its field, and means nothing here (RFC 9651 §4.2.3.2). */
const bareItem = [
  String.raw`\?[01]`,
  String.raw`-?\d{1,15}(?:\.\d{1,3})?`,
  String.raw`"(?:[ !#-\[\]-~]|\\["\\])*"`,
  String.raw`[A-Za-z*][!#$%&'*+.^_|~:/0-9A-Za-z\x60-]*`,
  ':[A-Za-z0-9+/=]*:',
].join('|')
const parameters = `(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:${bareItem}))?)*`

const booleanItem = new RegExp(`^ *\\?([01])${parameters} *$`)
const integerItem = new RegExp(`^ *(-?\\d{1,15})${parameters} *$`)

/** A Boolean of a structured field that is one item (RFC 9651 §3.3.6); null for a field that is not there, or is no such. */
export function parseBoolean(field: string | undefined): boolean | null {
  const match = booleanItem.exec(field ?? '')
  return match && match[1] === '1'
}

/** An Integer of a structured field that is one item (RFC 9651 §3.3.1), if it is 0 or more; else null. */
export function parseSize(field: string | undefined): number | null {
  const match = integerItem.exec(field ?? '')
  const value = match ? Number(match[1]) : -1
  return value < 0 ? null : Math.abs(value)
}
