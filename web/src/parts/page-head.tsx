import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'

interface PageHeadProps {
  title: string
  /** One line under the title. */
  about?: ComponentChildren
  /** Where one comes from. */
  back?: { href: string; label: string }
  /** What can be done with the whole page. */
  children?: ComponentChildren
}

/** The head of a page; the browser's tab is named by it. */
export function PageHead({ title, about, back, children }: PageHeadProps) {
  useEffect(() => {
    document.title = `${title} · Stevedore`
  }, [title])
  return (
    <div class="page-head">
      <div>
        {back && (
          <a class="page-back" href={back.href}>
            ← {back.label}
          </a>
        )}
        <h1>{title}</h1>
        {about && <p class="soft">{about}</p>}
      </div>
      {children && <div class="row">{children}</div>}
    </div>
  )
}
