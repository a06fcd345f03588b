import type { ComponentChildren } from 'preact'
import { Button } from './button.tsx'
import { Loading } from './loading.tsx'
import { ErrorNotice } from './notice.tsx'
import type { Paged } from './use-pages.ts'

interface ListedProps<Item> {
  /** What the list is of: "keys". */
  what: string
  pages: Pick<Paged<Item>, 'items' | 'error'> & Partial<Paged<Item>>
  /** What stands there when there is nothing. */
  empty: ComponentChildren
  children: (items: Item[]) => ComponentChildren
}

/** A list in each of its states: on its way, failed, empty, and there, with a button for more where there is more. */
export function Listed<Item>({ what, pages, empty, children }: ListedProps<Item>) {
  const { items, error, hasMore, more, reload } = pages
  return (
    <>
      {error != null && (
        <div class="listed-error">
          <ErrorNotice error={error} />
          {reload && (
            <Button compact onClick={reload}>
              Try again
            </Button>
          )}
        </div>
      )}
      {items === undefined ? error == null && <Loading what={what} /> : items.length === 0 ? empty : children(items)}
      {hasMore && (
        <div class="listed-more">
          <Button onClick={more}>Show more</Button>
        </div>
      )}
    </>
  )
}
