import type { EditorProps } from './editor.ts'
import { JsonEditor } from './json-editor.tsx'
import { kindOf } from './kinds.ts'
import { ObjectsEditor } from './objects-editor.tsx'
import { RecordEditor } from './record-editor.tsx'
import { BooleanEditor, BytesEditor, ChoiceEditor, NumberEditor, TextEditor } from './scalar-editors.tsx'
import { TextsEditor } from './texts-editor.tsx'

const edit = (props: EditorProps) => <ValueEditor {...props} />

/** Edits a value by what its schema says of it. */
export function ValueEditor(props: EditorProps) {
  switch (kindOf(props.name, props.schema)) {
    case 'boolean':
      return <BooleanEditor {...props} />
    case 'choice':
      return <ChoiceEditor {...props} />
    case 'bytes':
      return <BytesEditor {...props} />
    case 'number':
      return <NumberEditor {...props} />
    case 'text':
      return <TextEditor {...props} />
    case 'texts':
      return <TextsEditor {...props} />
    case 'objects':
      return <ObjectsEditor {...props} edit={edit} />
    case 'record':
      return <RecordEditor {...props} edit={edit} />
    case 'json':
      return <JsonEditor {...props} />
  }
}
