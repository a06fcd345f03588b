import { Presets, SingleBar } from 'cli-progress'
import { formatBytes } from './table.ts'

export interface UploadProgress {
  /** Counts bytes that were sent. */
  add(bytes: number): void
  /** Ends the display, whether or not all was sent. */
  end(): void
}

/** Shows how much of a file was sent: a bar on a terminal, a line for each quarter elsewhere. */
export function showUploadProgress(name: string, totalBytes: number, out: NodeJS.WriteStream): UploadProgress {
  return out.isTTY ? drawBar(name, totalBytes, out) : printQuarters(name, totalBytes, out)
}

function drawBar(name: string, totalBytes: number, out: NodeJS.WriteStream): UploadProgress {
  const size = formatBytes(totalBytes)
  const format = `${name}  {bar}  {percentage} %  {sent} of ${size}`
  const bar = new SingleBar({ format, stream: out, hideCursor: true, barsize: 30, fps: 30 }, Presets.shades_classic)
  let sentBytes = 0
  bar.start(totalBytes, 0, { sent: formatBytes(0) })
  return {
    add(bytes) {
      sentBytes += bytes
      bar.update(sentBytes, { sent: formatBytes(sentBytes) })
    },
    end: () => bar.stop(),
  }
}

function printQuarters(name: string, totalBytes: number, out: NodeJS.WriteStream): UploadProgress {
  let sentBytes = 0
  let quarters = 0
  return {
    add(bytes) {
      sentBytes += bytes
      const reached = Math.floor((sentBytes / totalBytes) * 4)
      if (reached === quarters) return
      quarters = reached
      out.write(`${name}  ${quarters * 25} %  ${formatBytes(sentBytes)} of ${formatBytes(totalBytes)}\n`)
    },
    end() {},
  }
}
