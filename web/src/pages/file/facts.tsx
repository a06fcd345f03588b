import type { ComponentChildren } from 'preact'
import type { UploadDetail } from '../../api.ts'
import { CopyButton } from '../../parts/copy-button.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { Time } from '../../parts/time.tsx'

/** What is known of the file itself. */
export function Facts({ upload }: { upload: UploadDetail }) {
  const { id, type, declaredType, size, sha256, protocol, createdAt, completedAt, generation, attempts } = upload
  return (
    <section class="panel" aria-labelledby="facts">
      <div class="panel-head">
        <h2 id="facts">File</h2>
      </div>
      <dl class="panel-body facts">
        <Fact name="Type">
          {type}
          {declaredType !== null && declaredType !== type && <span class="soft"> (sent as {declaredType})</span>}
        </Fact>
        <Fact name="Size">
          {formatBytes(size)} <span class="soft numeric">({size.toLocaleString()} bytes)</span>
        </Fact>
        {sha256 !== '' && (
          <Fact name="SHA-256">
            <Copied text={sha256} what="the SHA-256" />
          </Fact>
        )}
        <Fact name="Id">
          <Copied text={id} what="the id" />
        </Fact>
        <Fact name="Sent by">{protocol}</Fact>
        <Fact name="Came in">
          <Time at={createdAt} whole />
        </Fact>
        {completedAt !== null && (
          <Fact name="Completed">
            <Time at={completedAt} whole />
          </Fact>
        )}
        <Fact name="Attempts">
          {attempts}
          {generation > 1 && <span class="soft"> in pass {generation}</span>}
        </Fact>
      </dl>
    </section>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}

/** A text that nobody types, with a button that copies it. */
function Copied({ text, what }: { text: string; what: string }) {
  return (
    <span class="copied">
      <code>{text}</code>
      <CopyButton text={text} what={what} />
    </span>
  )
}

/** What was sent with the file; nothing where nothing was. */
export function Metadata({ metadata }: { metadata: Record<string, string> }) {
  const entries = Object.entries(metadata)
  if (entries.length === 0) return null
  return (
    <section class="panel" aria-labelledby="metadata">
      <div class="panel-head">
        <h2 id="metadata">Metadata</h2>
      </div>
      <dl class="panel-body facts">
        {entries.map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
      </dl>
    </section>
  )
}
