import type { ComponentChildren } from 'preact'

interface NoticeProps {
  look?: 'good' | 'warn' | 'bad'
  children: ComponentChildren
}

/** A line that says what has happened. What went wrong is read out at once, all else when there is time. */
export function Notice({ look, children }: NoticeProps) {
  return (
    <div class={`notice ${look ?? ''}`} role={look === 'bad' ? 'alert' : 'status'}>
      {children}
    </div>
  )
}

/** The same for an error that was caught; nothing when there is none. */
export function ErrorNotice({ error }: { error: unknown }) {
  if (!error) return null
  return <Notice look="bad">{messageOf(error)}</Notice>
}

/** What a person is told of an error. */
export function messageOf(error: unknown): string {
  // What fetch throws when there is no connection says nothing that helps.
  if (error instanceof TypeError) return 'The server could not be reached. Check your connection, and try again.'
  return error instanceof Error ? error.message : String(error)
}
