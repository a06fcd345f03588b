/** What is shown of a list, newest first; ids are ordered by time. */
export interface Pages<Item extends { id: string }> {
  uploads: readonly Item[]
  /** Where what lies behind them begins; null where nothing does. */
  nextCursor: string | null
}

/**
 * The newest page in place of what it covers. What lies behind it, and was shown already, stays where the two meet: if
 * more than a page came in unseen, there would be a hole between them, and the list begins again.
 */
export function withNewest<Item extends { id: string }>(
  before: Pages<Item> | undefined,
  page: Pages<Item>,
): Pages<Item> {
  const oldest = page.uploads.at(-1)
  if (!before || !oldest || page.nextCursor === null) return page
  const behind = before.uploads.filter(({ id }) => id < oldest.id)
  const meets = behind.length > 0 && behind.length < before.uploads.length
  return meets ? { uploads: [...page.uploads, ...behind], nextCursor: before.nextCursor } : page
}

/** With a page that begins behind the item `after`; without it when that is not shown any more. */
export function withFollowing<Item extends { id: string }>(
  before: Pages<Item>,
  page: Pages<Item>,
  after: string,
): Pages<Item> {
  const known = new Set(before.uploads.map(({ id }) => id))
  if (!known.has(after)) return before
  const more = page.uploads.filter(({ id }) => !known.has(id))
  return { uploads: [...before.uploads, ...more], nextCursor: page.nextCursor }
}
