import { stripVTControlCharacters } from 'node:util'

const keptLines = 40

/** Keeps the last lines of a log, to show when something went wrong. */
export class LogTail {
  #lines: string[] = []

  add(line: string) {
    const text = stripVTControlCharacters(line).trimEnd()
    if (text === '') return
    this.#lines.push(text)
    if (this.#lines.length > keptLines) this.#lines.shift()
  }

  clear() {
    this.#lines = []
  }

  text(): string {
    return ['The end of the server log:', ...this.#lines].join('\n  ')
  }
}
