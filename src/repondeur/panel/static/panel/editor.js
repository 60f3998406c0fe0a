// Rich text: what is written here stands as HTML in the textarea, which is what the form sends.
// The server lets through what `TAGS` names and nothing else (hosting/markup.py), whatever comes.
(function () {
  'use strict'

  const TAGS = new Set(['P', 'BR', 'STRONG', 'EM', 'U', 'A', 'UL', 'OL', 'LI', 'H1', 'H2', 'H3', 'BLOCKQUOTE'])
  const SAME = { B: 'STRONG', I: 'EM', INS: 'U', DIV: 'P', TR: 'P', H4: 'H3', H5: 'H3', H6: 'H3' }
  const GONE = new Set(['SCRIPT', 'STYLE', 'HEAD', 'TITLE', 'TEMPLATE', 'SVG', 'MATH', 'IFRAME', 'OBJECT'])
  const BLOCKS = 'p, ul, ol, h1, h2, h3, blockquote'
  const LINK = /^(https?:\/\/|mailto:)[^\s]+$/i
  // The no-break spaces that browsers write beside formatting; not those of French punctuation.
  const HARD = /(?<![«\d])\u00a0(?![\d;:!?»%€])/g
  const inert = document.implementation.createHTMLDocument('')

  // A copy of the children of `node` with what a reply may have, in a document that runs nothing.
  function cleaned (node) {
    const made = inert.createDocumentFragment()
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) made.append(child.data.replace(HARD, ' '))
      if (child.nodeType !== Node.ELEMENT_NODE || GONE.has(child.nodeName.toUpperCase())) continue
      made.append(element(child))
    }
    return made
  }

  // An element as the reply may have it; what is inside of one that it may not.
  function element (found) {
    const inside = cleaned(found)
    const name = SAME[found.nodeName] || found.nodeName
    const styled = found.dataset.style || ''
    const normal = /font-weight:\s*(normal|400)/i.test(styled) // how some programs wrap all they copy
    if (name === 'SPAN') return spanned(inside, styled)
    if (!TAGS.has(name) || (name === 'STRONG' && normal)) return inside
    if (name === 'A' && !LINK.test(found.getAttribute('href') || '')) return inside
    if (name === 'P' && (inside.querySelector(BLOCKS) || !inside.hasChildNodes())) return inside
    const made = inert.createElement(name)
    if (name === 'A') made.setAttribute('href', found.getAttribute('href'))
    made.append(inside)
    return made
  }

  function spanned (inside, styled) {
    const wanted = [[/font-weight:\s*(bold|[6-9]00)/i, 'STRONG'], [/font-style:\s*italic/i, 'EM'], [/underline/i, 'U']]
    for (const [sign, name] of wanted) {
      if (!sign.test(styled) || !inside.textContent.trim()) continue
      const made = inert.createElement(name)
      made.append(inside)
      inside = made
    }
    return inside
  }

  // The HTML of what `node` holds, as the reply may have it; "" without a word.
  function written (node) {
    const made = inert.createElement('div')
    made.append(cleaned(node))
    return made.textContent.trim() ? made.innerHTML : ''
  }

  // The same of HTML that comes from elsewhere. Its styles and handlers are renamed before it is
  // read: the page's policy refuses, and reports, each one that is parsed.
  function tidy (html) {
    const template = inert.createElement('template')
    template.innerHTML = html.replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/[\s"'](style|on[a-z]+)\s*=/gi, ' data-$1='))
    return written(template.content)
  }

  const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

  // Plain text as HTML, as the server does it: empty lines part paragraphs.
  function marked (text) {
    if (!text.trim()) return ''
    const parts = text.replace(/\r\n?/g, '\n').replace(/^\n+|\n+$/g, '').split(/\n{2,}/)
    return parts.map((one) => '<p>' + escaped(one).replace(/\n/g, '<br>') + '</p>').join('')
  }

  // The words of `node`, as the server writes them down.
  function words (node) {
    let made = ''
    let nth = 0
    for (const child of node.childNodes) {
      const name = child.nodeName
      const inside = child.nodeType === Node.TEXT_NODE ? child.data.replace(/[ \t\r\n\f]+/g, ' ') : words(child)
      if (name === 'BR') made += '\n'
      else if (name === 'LI') made += '\n' + (node.nodeName === 'OL' ? ++nth + '. ' : '- ') + inside.trim()
      else made += child.nodeType === Node.ELEMENT_NODE && child.matches(BLOCKS) ? '\n\n' + inside.trim() + '\n\n' : inside
    }
    return made
  }

  function start () {
    const editor = document.getElementById('editor')
    if (!editor) return
    const html = document.getElementById('id_html')
    const text = document.getElementById('id_text')
    const page = document.getElementById('editor-page')
    const rich = document.querySelector('input[name="format"][value="rich"]')
    const tools = [...editor.querySelectorAll('.tools button')]
    const linkButton = editor.querySelector('[data-link]')
    const linkRow = document.getElementById('editor-link')
    const address = document.getElementById('editor-address')
    const field = html.closest('.field')
    let left = null // the plain text that was made of `html`: unchanged, the formatting is still good

    // The field that it stands for: hidden from people, sent with the form, its errors shown.
    html.hidden = true
    field.querySelector('label').hidden = true
    const help = field.querySelector('.help')
    if (help) page.parentElement.after(help)
    if (html.getAttribute('aria-describedby')) page.setAttribute('aria-describedby', html.getAttribute('aria-describedby'))
    if (html.getAttribute('aria-invalid')) page.setAttribute('aria-invalid', 'true')
    html.removeAttribute('aria-invalid')
    field.before(editor)
    editor.hidden = false

    const show = () => { page.innerHTML = tidy(html.value) || '<p><br></p>' }
    const keep = () => { html.value = written(page) }
    const command = (name, value) => {
      page.focus()
      document.execCommand(name, false, value)
      keep()
      press()
    }

    function chosen () {
      if (rich.checked) {
        if (text.value !== left) html.value = marked(text.value)
        show()
      } else {
        keep()
        left = text.value = words(page).replace(/\n{3,}/g, '\n\n').trim()
      }
    }

    function press () {
      for (const tool of tools) {
        const name = tool.dataset.command
        if (name) tool.setAttribute('aria-pressed', String(document.queryCommandState(name)))
      }
    }

    function link () {
      const node = getSelection().anchorNode
      const inside = node && (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)
      return inside && page.contains(inside) ? inside.closest('a') : null
    }

    let range = null // what is selected on the page while the address is typed
    function openLink () {
      const there = getSelection()
      range = there.rangeCount && page.contains(there.anchorNode) ? there.getRangeAt(0).cloneRange() : null
      const found = link()
      address.value = found ? found.getAttribute('href') : ''
      linkRow.hidden = false
      linkButton.setAttribute('aria-expanded', 'true')
      address.focus()
    }
    function closeLink () {
      linkRow.hidden = true
      linkRow.querySelector('.errorlist').textContent = ''
      linkButton.setAttribute('aria-expanded', 'false')
      page.focus()
      if (range) {
        getSelection().removeAllRanges()
        getSelection().addRange(range)
      }
    }
    function wholeLink () {
      const found = link()
      if (found) getSelection().selectAllChildren(found)
    }
    function applyLink () {
      let wanted = address.value.trim()
      if (wanted && !/^[a-z][a-z0-9+.-]*:/i.test(wanted)) wanted = (wanted.includes('@') ? 'mailto:' : 'https://') + wanted
      if (!LINK.test(wanted)) {
        const told = linkRow.querySelector('.errorlist')
        told.textContent = told.dataset.wrong
        address.focus()
        return
      }
      closeLink()
      wholeLink()
      if (getSelection().isCollapsed) command('insertHTML', '<a href="' + escaped(wanted).replace(/"/g, '&quot;') + '">' + escaped(wanted.replace(/^mailto:/i, '')) + '</a>')
      else command('createLink', wanted)
    }
    function removeLink () {
      closeLink()
      wholeLink()
      command('unlink')
    }

    function insert (event, data) {
      event.preventDefault()
      const found = data.getData('text/html')
      const made = found ? tidy(found) : ''
      if (made) command('insertHTML', made)
      else command('insertText', data.getData('text/plain'))
    }

    document.execCommand('defaultParagraphSeparator', false, 'p')
    document.execCommand('styleWithCSS', false, false)
    show()
    for (const one of document.querySelectorAll('input[name="format"]')) one.addEventListener('change', chosen)
    page.addEventListener('input', keep)
    page.addEventListener('paste', (event) => insert(event, event.clipboardData))
    page.addEventListener('drop', (event) => insert(event, event.dataTransfer))
    document.addEventListener('selectionchange', () => { if (document.activeElement === page) press() })
    for (const tool of tools) {
      tool.addEventListener('mousedown', (event) => event.preventDefault()) // the selection stays
      tool.addEventListener('click', () => tool.dataset.command ? command(tool.dataset.command) : linkRow.hidden ? openLink() : closeLink())
    }
    editor.querySelector('[data-apply]').addEventListener('click', applyLink)
    editor.querySelector('[data-remove]').addEventListener('click', removeLink)
    linkRow.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') closeLink()
      if (event.key !== 'Enter' || event.target !== address) return
      event.preventDefault()
      applyLink()
    })

    // One stop for the Tab key, arrows within (WAI-ARIA, pattern "Toolbar").
    tools.forEach((tool, nth) => { tool.tabIndex = nth ? -1 : 0 })
    editor.querySelector('.tools').addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
      if (!step) return
      const here = tools.indexOf(document.activeElement)
      const next = tools[(here + step + tools.length) % tools.length]
      tools[here].tabIndex = -1
      next.tabIndex = 0
      next.focus()
    })
  }

  document.addEventListener('DOMContentLoaded', start)
})()
