import { messageOf, StevedoreError } from '../api.ts'
import { formatBytes } from '../parts/sizes.ts'

/** Why a file was not taken, in the words of who sends it; the server's own where there are no better ones. */
export function refusalText(error: Error): string {
  if (!(error instanceof StevedoreError)) return messageOf(error)
  const { allowedTypes, allowedExtensions, detectedType } = error.problem
  switch (error.code) {
    case 'type-not-allowed':
      return `This kind of file is not taken here. ${listed('Taken are', allowedTypes)}`.trim()
    case 'extension-not-allowed':
      return `Files with this ending are not taken here. ${listed('Taken are', allowedExtensions)}`.trim()
    case 'type-contradicted':
      return `The file is not what its name says: its content is ${String(detectedType ?? 'something else')}.`
    case 'file-too-large':
      return error.limit === undefined
        ? error.message
        : `The file is too large. The largest that is taken has ${formatBytes(error.limit)}.`
    case 'quota-exceeded':
      return 'There is no room left in this domain. Delete something first, or ask for a larger quota.'
    default:
      return error.message
  }
}

function listed(lead: string, names: unknown): string {
  return Array.isArray(names) && names.length > 0 && !names.includes('*/*') ? `${lead} ${names.join(', ')}.` : ''
}
