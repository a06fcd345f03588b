import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** Linux counts process times in hundredths of a second for user space (USER_HZ), on every architecture. */
const ticksPerSecond = 100

/** The CPU time that a process has used so far, its own and the kernel's for it, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the command in parentheses and may hold spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** The memory of a process that is in RAM now, in bytes. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS')
}

/** The most memory that was in RAM at once since the last `resetPeak`, in bytes. The kernel keeps it: nothing is missed. */
export function peakResidentBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM')
}

/** Begins a new peak: 5 in clear_refs sets VmHWM to what is resident now (proc(5)). */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** The child of this process that runs `command` and was not there `before`. */
export function findChild(command: string, before: ReadonlySet<number>): number {
  const child = childrenRunning(command).find((pid) => !before.has(pid))
  if (child === undefined) throw new Error(`No child process ${command} was found: the bench needs Linux and its /proc`)
  return child
}

/** The children of this process that run `command`. */
export function childrenRunning(command: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      return parent === process.pid && stat.includes(`(${command})`) ? [Number(name)] : []
    } catch {
      // It has ended meanwhile.
      return []
    }
  })
}

function statusBytes(pid: number, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (!match) throw new Error(`/proc/${pid}/status has no ${field}`)
  return Number(match[1]) * 1024
}
