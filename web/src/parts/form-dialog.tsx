import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { noProblems, type Problems, problemsOf } from '../administration.ts'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'
import { ErrorNotice } from './notice.tsx'

interface FormDialogProps {
  title: string
  /** The word on the button, such as "Add". */
  action: string
  /** The names of its fields, as the server calls them. */
  fields: readonly string[]
  onSubmit: () => Promise<unknown>
  onClose: () => void
  /** The fields, with what the server found wrong with them. */
  children: (problems: Problems) => ComponentChildren
}

/** Asks for a few things and sends them. Stays open with the reason, at the field that it is about, when that fails. */
export function FormDialog({ title, action, fields, onSubmit, onClose, children }: FormDialogProps) {
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const problems = error ? problemsOf(error, fields) : noProblems
  const isSaidAtField = [...problems.keys()].some((place) => fields.includes(place.split('.')[0] ?? ''))

  const submit = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    try {
      await onSubmit()
    } catch (failure) {
      setError(failure)
      setBusy(false)
    }
  }

  return (
    <Dialog title={title} onClose={onClose}>
      <form class="stack tight" onSubmit={submit}>
        {children(problems)}
        {!isSaidAtField && <ErrorNotice error={error} />}
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" disabled={isBusy}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
