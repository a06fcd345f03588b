import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

/** What the control in a `Field` takes over, so that its label, hint and error are read out with it. */
export interface ControlProps {
  id: string
  'aria-describedby': string | undefined
  'aria-invalid': boolean
}

interface FieldProps {
  label: string
  hint?: ComponentChildren
  /** What is wrong with the present value. */
  error?: string | null | undefined
  children: (control: ControlProps) => ComponentChildren
}

/** A labelled control of a form: `<Field label="Name">{(control) => <input class="input" {...control} />}</Field>`. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId()
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ')
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': Boolean(error) })}
      {hint && (
        <span class="field-hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {error && (
        <span class="field-error" id={`${id}-error`}>
          {error}
        </span>
      )}
    </div>
  )
}
