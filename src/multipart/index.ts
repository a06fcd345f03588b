export { boundaryOf } from './boundary.ts'
export type { ByteReader, ByteSource, Filled } from './byte-source.ts'
export {
  MultipartError,
  type MultipartErrorCode,
  type MultipartErrorDetail,
} from './errors.ts'
export { defaultLimits, type MultipartLimits } from './limits.ts'
export { MultipartReader } from './multipart-reader.ts'
export { Part } from './part.ts'
