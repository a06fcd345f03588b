import { Untellable } from '../bytes/byte-view.ts'
import { nameOf } from './names.ts'

/** A value of PDF (ISO 32000-1 §7.3), as far as it matters here: strings, booleans and null are all null. */
export type PdfValue = number | PdfName | PdfReference | PdfDictionary | PdfValue[] | null
export type PdfDictionary = ReadonlyMap<string, PdfValue>

export class PdfName {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** The number of the object that is meant. */
export class PdfReference {
  readonly object: number
  constructor(object: number) {
    this.object = object
  }
}

const maxDepth = 32
const blank = /[\0\t\n\f\r ]/
/** What ends a name, a number or a keyword (§7.2.2). */
const delimiter = /[\0\t\n\f\r ()<>[\]{}/%]/

/** Reads values out of text that has each byte as one character. Throws `Untellable` where it is no PDF, or cut. */
export class PdfReader {
  readonly text: string
  at: number

  constructor(text: string, at = 0) {
    this.text = text
    this.at = at
  }

  /** The next value. One that touches the end of the text is taken to be cut. */
  value(depth = 0): PdfValue {
    if (depth > maxDepth) throw new Untellable('It is nested too deeply.')
    this.skipBlanks()
    const { text, at } = this
    if (text.startsWith('<<', at)) return this.#dictionary(depth)
    switch (text[at]) {
      case '[':
        return this.#array(depth)
      case '/':
        return new PdfName(nameOf(this.#word(at + 1)))
      case '(':
        return this.#string()
      case '<':
        this.at = this.#find('>') + 1
        return null
      default:
        return this.#numberOrKeyword()
    }
  }

  /** Passes over this keyword, which has to come next. */
  keyword(word: string): void {
    this.skipBlanks()
    if (!this.text.startsWith(word, this.at)) throw new Untellable(`Here should be ${word}.`)
    this.at += word.length
  }

  integer(): number {
    return integerIn(this.value())
  }

  skipBlanks(): void {
    for (;;) {
      while (this.at < this.text.length && blank.test(this.text[this.at] as string)) this.at++
      if (this.text[this.at] !== '%') break
      while (this.at < this.text.length && !/[\r\n]/.test(this.text[this.at] as string)) this.at++
    }
    if (this.at >= this.text.length) throw new Untellable('The text ends.')
  }

  #dictionary(depth: number): PdfDictionary {
    const entries = new Map<string, PdfValue>()
    this.at += 2
    for (;;) {
      this.skipBlanks()
      if (this.text.startsWith('>>', this.at)) break
      const key = this.value(depth + 1)
      if (!(key instanceof PdfName)) throw new Untellable('A key is no name.')
      entries.set(key.name, this.value(depth + 1))
    }
    this.at += 2
    return entries
  }

  #array(depth: number): PdfValue[] {
    const values: PdfValue[] = []
    this.at++
    for (;;) {
      this.skipBlanks()
      if (this.text[this.at] === ']') break
      values.push(this.value(depth + 1))
    }
    this.at++
    return values
  }

  /** Parentheses may stand in a string in pairs, or behind a backslash. */
  #string(): null {
    let open = 0
    for (let at = this.at; at < this.text.length; at++) {
      const character = this.text[at]
      if (character === '\\') at++
      else if (character === '(') open++
      else if (character === ')' && --open === 0) {
        this.at = at + 1
        return null
      }
    }
    throw new Untellable('A string has no end.')
  }

  /** Two whole numbers and an R are one reference. */
  #numberOrKeyword(): PdfValue {
    const word = this.#word(this.at)
    if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(word)) {
      if (word === 'true' || word === 'false' || word === 'null') return null
      throw new Untellable('This is no value.')
    }
    const reference =
      /^\d{1,10}$/.test(word) &&
      /^[\0\t\n\f\r ]{1,20}\d{1,5}[\0\t\n\f\r ]{1,20}R/.exec(this.text.slice(this.at, this.at + 48))
    if (!reference) return Number(word)
    this.at += reference[0].length
    return new PdfReference(Number(word))
  }

  /** What goes from here to the next delimiter, and passes over it. */
  #word(from: number): string {
    let end = from
    while (end < this.text.length && !delimiter.test(this.text[end] as string)) end++
    if (end === this.text.length || (end === from && this.text[from - 1] !== '/'))
      throw new Untellable('A word is cut.')
    this.at = end
    return this.text.slice(from, end)
  }

  #find(mark: string): number {
    const found = this.text.indexOf(mark, this.at)
    if (found < 0) throw new Untellable('A value has no end.')
    return found
  }
}

/** This value as a whole number that is not negative. */
export function integerIn(value: PdfValue | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Untellable('This is no count.')
  return value
}

/** This value as a dictionary. */
export function dictionaryIn(value: PdfValue | undefined): PdfDictionary {
  if (!(value instanceof Map)) throw new Untellable('This is no dictionary.')
  return value
}
