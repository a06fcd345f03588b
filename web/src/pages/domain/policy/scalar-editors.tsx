import { useId, useState } from 'preact/hooks'
import { type ByteUnit, byteUnits, wholeUnitOf } from '../../../parts/byte-units.ts'
import { type ControlProps, Field } from '../../../parts/field.tsx'
import type { EditorProps } from './editor.ts'
import { Hint } from './hint.tsx'
import { isNullable, labelOf, unitOf } from './kinds.ts'

export function BooleanEditor({ name, path, schema, value, onChange, problems, note }: EditorProps) {
  const id = useId()
  const problem = problems.get(path)
  return (
    <div class="field">
      <label class="checkbox">
        <input
          type="checkbox"
          checked={value === true}
          aria-describedby={`${id}-hint`}
          aria-invalid={problem !== undefined}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
        <strong>{labelOf(name)}</strong>
      </label>
      <span class="field-hint" id={`${id}-hint`}>
        <Hint name={name} schema={schema} note={note} />
        {problem && <span class="field-error"> {problem}</span>}
      </span>
    </div>
  )
}

export function ChoiceEditor({ name, path, schema, value, onChange, problems, note }: EditorProps) {
  return (
    <Field label={labelOf(name)} hint={<Hint name={name} schema={schema} note={note} />} error={problems.get(path)}>
      {(control) => (
        <select
          {...control}
          class="select"
          value={String(value)}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {schema.enum?.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

export function TextEditor({ name, path, schema, value, onChange, problems, note, isRequired = false }: EditorProps) {
  return (
    <Field label={labelOf(name)} hint={<Hint name={name} schema={schema} note={note} />} error={problems.get(path)}>
      {(control) => (
        <input
          {...control}
          class="input"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          required={isRequired}
          {...(schema.maxLength !== undefined && { maxLength: schema.maxLength })}
          value={String(value ?? '')}
          onInput={({ currentTarget: { value: text } }) => onChange(text === '' && !isRequired ? undefined : text)}
        />
      )}
    </Field>
  )
}

export function NumberEditor({ name, path, schema, value, onChange, problems, note }: EditorProps) {
  const [text, setText] = useState(String(value ?? ''))
  const unit = unitOf(name)
  return (
    <Field label={labelOf(name)} hint={<Hint name={name} schema={schema} note={note} />} error={problems.get(path)}>
      {(control) => (
        <span class="number">
          <NumberInput
            {...{ control, schema, text }}
            scale={1}
            onInput={(typed) => {
              setText(typed)
              onChange(numberIn(typed, 1))
            }}
          />
          {unit && <span class="soft">{unit}</span>}
        </span>
      )}
    </Field>
  )
}

export function BytesEditor({ name, path, schema, value, onChange, problems, note }: EditorProps) {
  const [unit, setUnit] = useState<ByteUnit>(
    typeof value === 'number' ? wholeUnitOf(value) : (byteUnits.find(({ label }) => label === 'GiB') ?? byteUnits[0]),
  )
  const [text, setText] = useState(typeof value === 'number' ? String(value / unit.bytes) : '')
  const change = (newText: string, newUnit: ByteUnit) => {
    setText(newText)
    setUnit(newUnit)
    onChange(numberIn(newText, newUnit.bytes))
  }
  return (
    <Field label={labelOf(name)} hint={<Hint name={name} schema={schema} note={note} />} error={problems.get(path)}>
      {(control) => (
        <span class="number">
          <NumberInput {...{ control, schema, text }} scale={unit.bytes} onInput={(typed) => change(typed, unit)} />
          <select
            class="select"
            aria-label={`Unit of ${labelOf(name)}`}
            value={unit.label}
            onChange={({ currentTarget: { value: label } }) =>
              change(text, byteUnits.find((it) => it.label === label) ?? byteUnits[0])
            }
          >
            {byteUnits.map(({ label }) => (
              <option key={label}>{label}</option>
            ))}
          </select>
        </span>
      )}
    </Field>
  )
}

/** Where a number is typed, in units of `scale`. What is typed is no number all the way, and so stays text. */
function NumberInput({
  control,
  schema,
  scale,
  text,
  onInput,
}: Pick<EditorProps, 'schema'> & {
  control: ControlProps
  scale: number
  text: string
  onInput: (typed: string) => void
}) {
  return (
    <input
      {...control}
      class="input"
      type="number"
      step={scale > 1 || schema.type === 'number' ? 'any' : 1}
      {...limits(schema, scale)}
      required={!isNullable(schema)}
      placeholder={isNullable(schema) ? 'No limit' : ''}
      value={text}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  )
}

function limits({ minimum, maximum }: EditorProps['schema'], scale: number) {
  return {
    ...(minimum !== undefined && { min: minimum / scale }),
    ...(maximum !== undefined && { max: maximum / scale }),
  }
}

/** Null for nothing. */
function numberIn(text: string, scale: number): number | null {
  return text === '' ? null : scale === 1 ? Number(text) : Math.round(Number(text) * scale)
}
