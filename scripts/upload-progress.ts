import { drawBar } from '../cli/progress.ts'
import { formatBytes } from '../cli/table.ts'

export interface UploadProgress {
  /** Counts bytes that were sent. */
  add(bytes: number): void
  /** Ends the display, whether or not all was sent. */
  end(): void
}

/** Shows how much of a file was sent: a bar on a terminal, a line for each quarter elsewhere. */
export function showUploadProgress(name: string, totalBytes: number, out: NodeJS.WriteStream): UploadProgress {
  if (!out.isTTY) return printQuarters(name, totalBytes, out)
  const bar = drawBar(out, name, totalBytes)
  let sentBytes = 0
  return {
    add(bytes) {
      sentBytes += bytes
      bar.update(sentBytes)
    },
    end: () => bar.end(),
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
