"""Python starts from an image of its memory, which a first visit makes and the browser keeps."""

KEPT = """async () => {
    const cache = await caches.open('rpclab-python');
    return (await cache.keys()).map(request => request.url);
}"""
DAMAGE = """async url => {
    const cache = await caches.open('rpclab-python');
    const image = new Uint8Array(await (await cache.match(url)).arrayBuffer());
    image.fill(255, 0, 4096);
    await cache.put(url, new Response(image));
}"""


def first_call(page):
    """Run the landing page's program; gives what it has said by then that is no good."""
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.locator(".rl-cell").last.get_by_role("button", name="Run").click()
    page.locator(".rl-cell").last.locator(".rl-tables").wait_for()
    assert "Tyger Tyger" in page.locator(".rl-cell").last.inner_text()
    return [text for text in said if "without an image" in text]


def test_a_first_visit_keeps_an_image_and_a_damaged_one_is_told_of_and_dropped(site):
    with site.visitor() as visitor:
        page = visitor.new_page()
        page.goto(site.address)
        assert first_call(page) == []
        page.wait_for_function(f"async () => (await ({KEPT})()).length === 1")
        [image] = page.evaluate(KEPT)

        page.reload()
        assert first_call(page) == []
        assert page.evaluate(KEPT) == [image]

        page.evaluate(DAMAGE, image)
        page.reload()
        assert len(first_call(page)) == 1
        assert page.evaluate(KEPT) == []
