import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'

/** Memory where there is enough of it: a disk that others use too would be measured instead of the Worker. */
export async function fastestFolder(): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => null)
  return memory && memory.bavail * memory.bsize > 8 * 1024 ** 3 ? '/dev/shm' : tmpdir()
}
