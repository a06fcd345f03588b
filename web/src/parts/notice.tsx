import type { ComponentChildren } from 'preact'
import { messageOf } from '../api.ts'

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
