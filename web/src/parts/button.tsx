import type { ButtonHTMLAttributes, ComponentChildren } from 'preact'

interface ButtonProps extends Omit<ButtonHTMLAttributes, 'icon'> {
  /** `primary` is the one thing to do here; `danger` can't be undone; `quiet` stands back. */
  look?: 'primary' | 'danger' | 'quiet' | undefined
  compact?: boolean
  children: ComponentChildren
}

export function Button({ look, compact, children, type = 'button', ...rest }: ButtonProps) {
  const classes = ['button', look, compact ? 'compact' : undefined].filter(Boolean).join(' ')
  return (
    <button {...rest} type={type} class={classes}>
      {children}
    </button>
  )
}
