(async () => {
  const page = document.getElementById("swagger-ui");
  const address = new URL(page.dataset.openapi, location.href);
  try {
    const spec = await (await fetch(address)).json();
    spec.servers = [{ url: new URL(".", address).href.replace(/[/]$/, "") }]; // where requests go, with API Gateway's stage
    SwaggerUIBundle({
      domNode: page,
      spec,
      deepLinking: true,
      persistAuthorization: false, // the token is forgotten with the page
      validatorUrl: null, // otherwise the document is sent to a validator on the internet
    });
  } catch {
    page.textContent = "The documentation could not be loaded. Please reload this page.";
  }
})();
