import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js'
import 'swagger-ui-dist/swagger-ui.css'
import './reference.css'
import { accessible, mendMarkup } from './accessible.ts'

mendMarkup(document.body)
SwaggerUI({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  // A form that sends requests would have to hold a key; the console, curl and the clients are for that.
  supportedSubmitMethods: [],
  // The page may ask no other host, and this one would be asked about every document.
  validatorUrl: null,
  plugins: [accessible],
})
