import { bodyLimit } from 'hono/body-limit'
import { Refusal } from '../core/errors.ts'

const maxBodyBytes = 64 * 1024

/** For a route that takes JSON: refuses a body that is larger than any that is meant for it. */
export function smallBody() {
  return bodyLimit({
    maxSize: maxBodyBytes,
    onError: () => {
      throw new Refusal('request-too-large', `The body is larger than the ${maxBodyBytes} bytes taken here.`, {
        facts: { limit: maxBodyBytes },
      })
    },
  })
}
