import { Presets, SingleBar } from 'cli-progress'
import { formatBytes } from './table.ts'
import { printable } from './text.ts'

export interface Progress {
  /** Shows how many bytes are done, all together. */
  update(doneBytes: number): void
  /** Ends the display, whether or not all was done. */
  end(): void
}

/** A bar on a terminal; elsewhere, and for what has no bytes or no known number of them, nothing. */
export function showProgress(out: NodeJS.WriteStream, name: string, totalBytes: number | null): Progress {
  return out.isTTY && totalBytes ? drawBar(out, name, totalBytes) : { update() {}, end() {} }
}

/** A bar that fills up to `totalBytes`. */
export function drawBar(out: NodeJS.WriteStream, name: string, totalBytes: number): Progress {
  const format = '{name}  {bar}  {percentage} %  {done} of {size}'
  const bar = new SingleBar({ format, stream: out, hideCursor: true, barsize: 30, fps: 30 }, Presets.shades_classic)
  const fixed = { name: printable(name), size: formatBytes(totalBytes) }
  bar.start(totalBytes, 0, { ...fixed, done: formatBytes(0) })
  return {
    update: (doneBytes) => bar.update(Math.min(doneBytes, totalBytes), { ...fixed, done: formatBytes(doneBytes) }),
    end: () => bar.stop(),
  }
}
