// First, so that a page's own styles come after those that all pages share.
import './styles/tokens.css'
import './styles/base.css'
import './styles/parts.css'
import './styles/shell.css'
import { render } from 'preact'
import { App } from './app.tsx'
import { restoreSession } from './session.ts'

const root = document.getElementById('app')
if (!root) throw new Error('The page has no #app.')
render(<App />, root)
restoreSession()
