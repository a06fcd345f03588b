import { render } from 'preact'
import { App } from './app.tsx'
import { restoreSession } from './session.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/parts.css'
import './styles/shell.css'

const root = document.getElementById('app')
if (!root) throw new Error('The page has no #app.')
render(<App />, root)
restoreSession()
