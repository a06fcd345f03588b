import DropTarget from '@uppy/drop-target'
import { useEffect, useRef } from 'preact/hooks'
import { Button } from '../../parts/button.tsx'
import { UnfinishedUploads } from './unfinished-uploads.tsx'
import { UploadMetadata } from './upload-metadata.tsx'
import { UploadQueue } from './upload-queue.tsx'
import { useQueue } from './use-queue.ts'

/** Where files are dropped or chosen, and how far those are that are on their way. Files may be dropped anywhere. */
export function UploadPanel({ domain }: { domain: string }) {
  const { uploader, items } = useQueue(domain)
  const input = useRef<HTMLInputElement>(null)

  useEffect(() => {
    uploader.use(DropTarget, { target: document.body })
    return () => {
      const plugin = uploader.getPlugin('DropTarget')
      if (plugin) uploader.removePlugin(plugin)
    }
  }, [uploader])

  const choose = () => input.current?.click()
  const take = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    const files = [...(currentTarget.files ?? [])]
    // The same file may be chosen again.
    currentTarget.value = ''
    uploader.addFiles(files.map((file) => ({ name: file.name, type: file.type, data: file, source: 'input' })))
  }

  return (
    <section class="panel" aria-label="Upload">
      <div class="drop-zone">
        <div>
          <p class="drop-zone-title">Drop files anywhere on this page</p>
          <p class="soft">
            They go to <strong>{domain}</strong>, and go on where they were when the connection breaks.
          </p>
        </div>
        <Button look="primary" onClick={choose}>
          Choose files
        </Button>
        <input
          ref={input}
          type="file"
          multiple
          class="unseen"
          tabIndex={-1}
          aria-label="Files to upload"
          onChange={take}
        />
      </div>
      <UploadMetadata domain={domain} />
      <UnfinishedUploads domain={domain} queue={items} onChoose={choose} />
      <UploadQueue uploader={uploader} items={items} />
    </section>
  )
}
