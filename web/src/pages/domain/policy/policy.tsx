import { describe, type Schema } from '../../../description.ts'
import { Loading } from '../../../parts/loading.tsx'
import { ErrorNotice } from '../../../parts/notice.tsx'
import { useLoaded } from '../../../parts/use-loaded.ts'
import type { TabProps } from '../tab.ts'
import { PolicyEditor } from './policy-editor.tsx'
import './policy.css'

/** What the domain allows, as a form that is made from what the server says of a policy. */
export function PolicyForm(props: TabProps) {
  const { value: schema, error } = useLoaded(loadSchema, [])
  if (error) return <ErrorNotice error={error} />
  return schema ? <PolicyEditor {...props} schema={schema} /> : <Loading what="the policy" />
}

async function loadSchema(): Promise<Schema> {
  const { properties } = await describe('Domain')
  if (!properties?.policy) throw new Error('The server does not describe what a policy is.')
  return properties.policy
}
