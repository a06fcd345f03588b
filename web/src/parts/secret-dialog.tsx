import type { ComponentChildren } from 'preact'
import { Button } from './button.tsx'
import { CopyButton } from './copy-button.tsx'
import { Dialog } from './dialog.tsx'
import { Notice } from './notice.tsx'

interface SecretDialogProps {
  title: string
  secret: string
  /** What it is, for those who hear the page: "the key". */
  what: string
  children?: ComponentChildren
  onClose: () => void
}

/** Shows something that the server tells once and never again. */
export function SecretDialog({ title, secret, what, children, onClose }: SecretDialogProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <Notice look="warn">Copy it now: it is shown this once, and never again.</Notice>
      <div class="secret">
        <code>{secret}</code>
        <CopyButton text={secret} what={what} />
      </div>
      {children}
      <div class="dialog-actions">
        <Button look="primary" onClick={onClose}>
          I have it
        </Button>
      </div>
    </Dialog>
  )
}
