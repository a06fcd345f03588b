import type { RefObject } from 'preact'
import { useEffect, useState } from 'preact/hooks'

/** What is a little below the window is seen soon. */
const rootMargin = '200px'

/** Whether an element has been in the window, or near it, since it is there. */
export function useSeen(element: RefObject<Element>): boolean {
  const [isSeen, setSeen] = useState(false)
  useEffect(() => {
    if (isSeen || !element.current) return
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) setSeen(true)
      },
      { rootMargin },
    )
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [isSeen])
  return isSeen
}
