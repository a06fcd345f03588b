import { useState } from 'preact/hooks'
import { Button } from './button.tsx'

const shownMs = 2000

/** Puts a text on the clipboard, and says so for a moment. `what` is for those who hear the page: "the id". */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [isCopied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), shownMs)
  }
  return (
    <Button look="quiet" compact onClick={copy} aria-label={isCopied ? `Copied ${what}` : `Copy ${what}`}>
      {isCopied ? 'Copied' : 'Copy'}
    </Button>
  )
}
