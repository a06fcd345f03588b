import { useState } from 'preact/hooks'
import { type Domain, tell } from '../../administration.ts'
import { domainHost } from '../../domain-host.ts'
import { Field } from '../../parts/field.tsx'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { goTo, hrefTo } from '../../router.ts'

/** Makes a domain, and goes on to its policy. */
export function NewDomain({ onClose }: { onClose: () => void }) {
  const [slug, setSlug] = useState('')
  const [jurisdiction, setJurisdiction] = useState('')
  const make = async () => {
    const made = await tell<Domain>('POST', '/v1/domains', { slug, jurisdiction: jurisdiction || null })
    goTo(hrefTo(['domains', made.slug, 'policy']))
  }
  return (
    <FormDialog
      title="New domain"
      action="Make domain"
      fields={['slug', 'jurisdiction']}
      onSubmit={make}
      onClose={onClose}
    >
      {(problems) => (
        <>
          <Field
            label="Name"
            hint={`Lower-case letters, digits and hyphens. ${servedAt(slug)}`.trim()}
            error={problems.get('slug')}
          >
            {(control) => (
              <input
                {...control}
                class="input"
                required
                autocomplete="off"
                autocapitalize="none"
                spellcheck={false}
                maxLength={63}
                value={slug}
                onInput={(event) => setSlug(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field
            label="Jurisdiction"
            hint="Where its data must stay. It can’t be changed later."
            error={problems.get('jurisdiction')}
          >
            {(control) => (
              <select
                {...control}
                class="select"
                value={jurisdiction}
                onChange={(event) => setJurisdiction(event.currentTarget.value)}
              >
                <option value="">The deployment’s own place</option>
                <option value="eu">European Union</option>
                <option value="fedramp">FedRAMP</option>
              </select>
            )}
          </Field>
          <p class="soft small">It starts closed: whoever uploads or reads needs a key.</p>
        </>
      )}
    </FormDialog>
  )
}

/** Where the domain will be served, as far as that is known. */
function servedAt(slug: string): string {
  const host = domainHost(/^[a-z0-9-]+$/.test(slug) ? slug : 'name', location.host)
  return host === null ? '' : `It is served at ${host}.`
}
