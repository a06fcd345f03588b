import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { Button } from './button.tsx'
import { ErrorNotice } from './notice.tsx'

interface DialogProps {
  title: string
  onClose: () => void
  children: ComponentChildren
}

/** A modal dialog, open as long as it is rendered. The browser keeps the focus in it, and closes it by Escape. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog class="dialog" ref={dialog} aria-labelledby={id} onClose={onClose}>
      <div class="dialog-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}

interface ConfirmationProps {
  title: string
  /** What will be, and whether it can be undone. */
  children: ComponentChildren
  /** The word on the button, such as "Delete". */
  action: string
  onConfirm: () => Promise<unknown>
  onClose: () => void
}

/** Asks before something that can't be undone. Stays open with the reason when it fails. */
export function Confirmation({ title, children, action, onConfirm, onClose }: ConfirmationProps) {
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const confirm = async () => {
    setBusy(true)
    setError(null)
    try {
      await onConfirm()
      onClose()
    } catch (failure) {
      setError(failure)
      setBusy(false)
    }
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <div>{children}</div>
      <ErrorNotice error={error} />
      <div class="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger" disabled={isBusy} onClick={confirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  )
}
