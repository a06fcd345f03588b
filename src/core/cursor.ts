import { Refusal } from './errors.ts'

/** Where a list goes on, written so that no client reads anything into it. `place` is ASCII. */
export function writeCursor(place: string): string {
  return btoa(place).replaceAll('=', '')
}

/** Reads what a client says `writeCursor` has made. Throws `request-invalid` when it says nothing, or `find` finds nothing in it. */
export function readCursor<Place>(cursor: string, find: (place: string) => Place | undefined): Place {
  let place: Place | undefined
  try {
    place = find(atob(cursor))
  } catch {
    // What is no base64 is no cursor either.
  }
  if (place !== undefined) return place
  throw new Refusal('request-invalid', 'This cursor was not given out here. Start again without one.')
}
