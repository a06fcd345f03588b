import type { Schema } from '../../../description.ts'
import type { Edit, EditorProps } from './editor.ts'

interface MembersProps extends Pick<EditorProps, 'path' | 'onChange' | 'problems'> {
  schema: Schema
  value: Readonly<Record<string, unknown>>
  edit: Edit
}

/** The members of an object, each with its own editor. */
export function Members({ schema, value, path, onChange, problems, edit }: MembersProps) {
  return (
    <div class="members">
      {Object.entries(schema.properties ?? {}).map(([name, member]) => (
        <div key={name}>
          {edit({
            name,
            path: `${path}.${name}`,
            schema: member,
            value: value[name],
            onChange: (changed) => onChange(withMember(value, name, changed)),
            problems,
            isRequired: schema.required?.includes(name) ?? false,
          })}
        </div>
      ))}
    </div>
  )
}

function withMember(value: Readonly<Record<string, unknown>>, name: string, changed: unknown) {
  const { [name]: _before, ...rest } = value
  return changed === undefined ? rest : { ...value, [name]: changed }
}
