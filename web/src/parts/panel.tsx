import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

interface PanelProps {
  title: string
  /** One line under the title. */
  about?: ComponentChildren
  /** What can be done with all of it. */
  actions?: ComponentChildren
  children: ComponentChildren
}

/** What belongs together on a page, under a heading of its own. */
export function Panel({ title, about, actions, children }: PanelProps) {
  const id = useId()
  return (
    <section class="panel" aria-labelledby={id}>
      <div class="panel-head">
        <div>
          <h2 id={id}>{title}</h2>
          {about && <p class="soft small">{about}</p>}
        </div>
        {actions && <div class="row">{actions}</div>}
      </div>
      {children}
    </section>
  )
}
