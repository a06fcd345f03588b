// First, so that a page's own styles come after those that all pages share.
import './styles/tokens.css'
import './styles/base.css'
import './styles/parts.css'
import './styles/shell.css'
import { render } from 'preact'
import { App } from './app.tsx'
import { restoreSession } from './session.ts'

// A file that is dropped where nothing takes it would be opened in the console's place, and end what is being sent.
for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault())

const root = document.getElementById('app')
if (!root) throw new Error('The page has no #app.')
render(<App />, root)
restoreSession()
