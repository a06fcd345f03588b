import { useRef } from 'preact/hooks'
import { Button } from '../../../parts/button.tsx'
import type { Edit, EditorProps } from './editor.ts'
import { Group } from './group.tsx'
import { labelOf, startOf } from './kinds.ts'
import { Members } from './members.tsx'

type Item = Readonly<Record<string, unknown>>

/** A list of objects in an order that counts, such as the processing steps. */
export function ObjectsEditor({
  name,
  path,
  schema,
  value,
  onChange,
  problems,
  note,
  edit,
}: EditorProps & { edit: Edit }) {
  const items = (value ?? []) as readonly Item[]
  const itemSchema = schema.items ?? {}
  const keys = useKeys(items.length)
  const move = (from: number, to: number) => {
    keys.move(from, to)
    onChange(items.toSpliced(from, 1).toSpliced(to, 0, items[from] as Item))
  }
  return (
    <Group name={name} schema={schema} note={note} problem={problems.get(path)}>
      <ol class="group-items">
        {items.map((item, index) => (
          <li key={keys.at(index)} class="group-item">
            <div class="row spread">
              <strong>
                {index + 1}. {nameOf(item)}
              </strong>
              <span class="row">
                <Button compact look="quiet" disabled={index === 0} onClick={() => move(index, index - 1)}>
                  Up<span class="unseen"> {nameOf(item)}</span>
                </Button>
                <Button
                  compact
                  look="quiet"
                  disabled={index === items.length - 1}
                  onClick={() => move(index, index + 1)}
                >
                  Down<span class="unseen"> {nameOf(item)}</span>
                </Button>
                <Button
                  compact
                  look="quiet"
                  onClick={() => {
                    keys.remove(index)
                    onChange(items.toSpliced(index, 1))
                  }}
                >
                  Remove<span class="unseen"> {nameOf(item)}</span>
                </Button>
              </span>
            </div>
            <Members
              schema={itemSchema}
              value={item}
              path={`${path}.${index}`}
              onChange={(changed) => onChange(items.with(index, changed as Item))}
              problems={problems}
              edit={edit}
            />
          </li>
        ))}
      </ol>
      <Button compact onClick={() => onChange([...items, startOf(itemSchema) as Item])}>
        Add to {labelOf(name).toLowerCase()}
      </Button>
    </Group>
  )
}

/** The first text in it, which is what people know it by. */
function nameOf(item: Item): string {
  return Object.values(item).find((value): value is string => typeof value === 'string' && value !== '') ?? 'new'
}

/** A key for each item that stays with it when it moves: its editors keep what was typed. */
function useKeys(count: number) {
  const keys = useRef<number[]>([])
  const next = useRef(0)
  while (keys.current.length < count) keys.current.push(next.current++)
  return {
    at: (index: number) => keys.current[index],
    move: (from: number, to: number) => {
      const [key] = keys.current.splice(from, 1)
      keys.current.splice(to, 0, key as number)
    },
    remove: (index: number) => void keys.current.splice(index, 1),
  }
}
