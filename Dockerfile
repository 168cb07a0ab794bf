# Runtime 3.3-8 carries Airflow 3.3.2; without the end of the tag it would bring Python 3.14.
FROM astrocrpublic.azurecr.io/runtime:3.3-8-python-3.12

# The image has installed packages.txt and requirements.txt and has copied the project by now. Installed in place, the library
# is imported from plugins/ and include/, which `astro dev start` mounts: an edit counts without a build.
RUN pip install --no-cache-dir --no-deps --editable .
