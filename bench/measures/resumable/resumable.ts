import type { Row } from '../../report/row.ts'
import type { Bench, Measure } from '../measure.ts'
import { largeFile } from './large-file.ts'
import { flatMemory, memoryOfAppend } from './memory.ts'
import { manySessions } from './sessions.ts'

/** Resumable uploads by tus: the time, CPU and memory of a large file, flat memory, and many sessions at once. */
export const resumable: Measure = async (bench: Bench): Promise<Row[]> => [
  ...(await largeFile(bench)),
  ...(await memoryOfAppend(bench)),
  ...(await flatMemory(bench)),
  ...(await manySessions(bench)),
]
