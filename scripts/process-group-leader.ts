import { spawn } from 'node:child_process'

/**
 * Leads the group that `startProcessGroup` makes: runs Node on its own arguments and ends with that one's exit code.
 * When standard input closes, because the starter asked for it or is gone, the whole group ends.
 */
const graceMilliseconds = 3000

const child = spawn(process.execPath, process.argv.slice(2), { stdio: ['ignore', 'inherit', 'inherit'] })

child.once('exit', (code) => {
  if (process.stdin.readableEnded) endGroup()
  else process.exit(code ?? 1)
})

process.stdin.resume().once('end', () => {
  child.kill('SIGTERM')
  setTimeout(endGroup, graceMilliseconds)
})

function endGroup() {
  process.kill(-process.pid, 'SIGKILL')
}
