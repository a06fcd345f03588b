import { useEffect, useState } from 'preact/hooks'
import { messageOf } from '../../api.ts'
import icon from '../../icon.svg'
import { Button } from '../../parts/button.tsx'
import { Field } from '../../parts/field.tsx'
import { Notice } from '../../parts/notice.tsx'
import { signIn } from '../../session.ts'
import './sign-in.css'

/** Asks for a key or the administrator's token. `reason` says why a session before has ended. */
export function SignIn({ reason }: { reason: string | null }) {
  const [credential, setCredential] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [message, setMessage] = useState(reason)
  useEffect(() => {
    document.title = 'Sign in · Stevedore'
  }, [])

  const submit = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setMessage(null)
    try {
      await signIn(credential.trim())
    } catch (error) {
      setMessage(messageOf(error))
      setBusy(false)
    }
  }

  return (
    <main class="sign-in">
      <form class="panel sign-in-form" onSubmit={submit}>
        <div class="sign-in-title">
          <img src={icon} alt="" width="40" height="40" />
          <h1>Sign in to Stevedore</h1>
        </div>
        {message && <Notice look="bad">{message}</Notice>}
        <Field label="Key or administrator’s token" hint="Kept in this tab only, and forgotten when it is closed.">
          {(control) => (
            <input
              {...control}
              class="input"
              type="password"
              name="credential"
              autocomplete="off"
              spellcheck={false}
              required
              placeholder="stv_…"
              value={credential}
              onInput={(event) => setCredential(event.currentTarget.value)}
            />
          )}
        </Field>
        <Button look="primary" type="submit" disabled={isBusy || credential.trim() === ''}>
          {isBusy ? 'Signing in …' : 'Sign in'}
        </Button>
      </form>
    </main>
  )
}
